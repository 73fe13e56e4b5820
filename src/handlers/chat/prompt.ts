import { type Static, Type } from "@sinclair/typebox";

/** As they are sent to the model; a content in parts goes as it is. */
const Messages = Type.Array(
  Type.Object(
    {
      role: Type.Union(["system", "developer", "user", "assistant"].map((role) => Type.Literal(role))),
      content: Type.Union([
        Type.String(),
        Type.Array(Type.Object({ type: Type.String() }, { additionalProperties: true }), { minItems: 1 }),
      ]),
      name: Type.Optional(Type.String()),
    },
    { additionalProperties: false },
  ),
  { minItems: 1 },
);

/** What a payload may have to say to a model. */
export const CHAT_MEMBERS = { messages: Type.Optional(Messages) };

export type Message = Static<typeof Messages>[number];

/**
 * What the model is told: the messages of a payload that has some, or one with its task. That is the text itself if the
 * payload is a text or has a task and nothing else, and the payload's whole JSON, as it was sent, if it is anything else.
 */
export function messagesOf(
  payload: unknown,
  payloadText: string,
  instructions: string | undefined,
): Message[] {
  const before: Message[] = instructions === undefined ? [] : [{ role: "system", content: instructions }];
  if (hasMessages(payload)) return [...before, ...payload.messages];
  return [...before, { role: "user", content: taskIn(payload) ?? payloadText }];
}

function hasMessages(payload: unknown): payload is { messages: Message[] } {
  return typeof payload === "object" && payload !== null && "messages" in payload;
}

function taskIn(payload: unknown): string | undefined {
  if (typeof payload === "string") return payload;
  const [member, ...others] = Object.entries(payload ?? {});
  if (others.length > 0 || member?.[0] !== "task") return undefined;
  return typeof member[1] === "string" ? member[1] : undefined;
}
