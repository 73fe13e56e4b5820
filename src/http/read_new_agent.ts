import type { Static, TSchema } from "@sinclair/typebox";
import { Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import type { Principal } from "../access/principal.ts";
import type { NewAgent } from "../agents/put.ts";
import { AGENT_KINDS } from "../job/agent.ts";
import { boundFaults } from "./bound.ts";
import { fieldErrors, invalid } from "./field_errors.ts";
import { NewAiAgent, NewClientAgent, SIGNING_SECRET_FORM } from "./new_agent.ts";
import type { FieldError } from "./problem.ts";
import type { JsonBody } from "./request_body.ts";
import { word } from "./schemas.ts";
import { isStorable, NOT_STORABLE } from "./storable.ts";

/** What is wrong with an address that is to be called, as a sentence that begins with "must". */
export type CheckUrl = (url: string) => Promise<string | undefined>;

export interface Asked {
  resourceId: string;
  principal: Principal;
  checkUrl: CheckUrl;
}

/** What Standard Webhooks asks of a secret. */
const [MIN_SECRET_BYTES, MAX_SECRET_BYTES] = [24, 64];

const kindCheck = TypeCompiler.Compile(Type.Object({ resource_type: word(AGENT_KINDS) }));
const aiCheck = TypeCompiler.Compile(NewAiAgent);
const clientCheck = TypeCompiler.Compile(NewClientAgent);

/** Makes an agent of a request's body, or throws the problem that names every field that is wrong. */
export async function readNewAgent({ value }: JsonBody, asked: Asked): Promise<NewAgent> {
  const { resource_type: kind } = checked(kindCheck, value);
  return kind === "ai_agent"
    ? await aiAgent(checked(aiCheck, value), asked)
    : await clientAgent(checked(clientCheck, value), asked);
}

function checked<Schema extends TSchema>(check: TypeCheck<Schema>, value: unknown): Static<Schema> {
  if (check.Check(value)) return value;
  throw invalid(fieldErrors(check.Errors(value)));
}

async function aiAgent(body: NewAiAgent, asked: Asked): Promise<NewAgent> {
  const { base_url, model, instructions, temperature, max_tokens, budget, price, timeout_ms } = body;
  refuse([
    ...textFaults({ name: body.name, model, instructions }),
    ...ownerFaults(body, asked),
    ...(await urlFaults("/base_url", base_url, ["?", "#"], asked)),
    ...(budget?.cost !== undefined && !price
      ? [fault("/budget/cost", "can only be counted with a price")]
      : []),
  ]);
  return {
    ...registered(body, asked),
    kind: "ai_agent",
    config: {
      baseUrl: base_url,
      model,
      instructions,
      temperature,
      maxTokens: max_tokens,
      budget,
      price,
      timeoutMs: timeout_ms,
    },
    secret: body.api_key,
  };
}

async function clientAgent(body: NewClientAgent, asked: Asked): Promise<NewAgent> {
  const { name, url, signing_secret } = body;
  refuse([
    ...textFaults({ name }),
    ...ownerFaults(body, asked),
    ...(await urlFaults("/url", url, ["#"], asked)),
    ...(signing_secret === undefined ? [] : signingFaults(signing_secret)),
  ]);
  return { ...registered(body, asked), kind: "client_agent", config: { url }, secret: signing_secret };
}

type OfAll = Pick<NewAiAgent, "name" | "user_id">;

function registered({ name, user_id }: OfAll, { resourceId, principal }: Asked) {
  return { resourceId, name, userId: user_id === undefined ? principal.userId : user_id };
}

/** A key that is bound to a user registers agents for that user only. */
function ownerFaults({ user_id }: OfAll, { principal }: Asked): FieldError[] {
  return user_id === undefined ? [] : boundFaults(principal, user_id ?? "");
}

function textFaults(texts: Record<string, string | undefined>): FieldError[] {
  return Object.entries(texts).flatMap(([name, text = ""]) =>
    isStorable(text) ? [] : [fault(`/${name}`, NOT_STORABLE)],
  );
}

async function urlFaults(
  pointer: string,
  url: string,
  unwanted: readonly string[],
  { checkUrl }: Asked,
): Promise<FieldError[]> {
  const problem = await checkUrl(url);
  if (problem !== undefined) return [fault(pointer, problem)];
  return unwanted.some((sign) => url.includes(sign))
    ? [fault(pointer, `must end before a ${unwanted.join(" or ")}`)]
    : [];
}

/** In the one spelling that every library decodes to the same bytes. */
function signingFaults(secret: string): FieldError[] {
  const text = secret.slice("whsec_".length);
  const bytes = Buffer.from(text, "base64");
  const { byteLength } = bytes;
  if (byteLength >= MIN_SECRET_BYTES && byteLength <= MAX_SECRET_BYTES && bytes.toString("base64") === text)
    return [];
  return [fault("/signing_secret", `must be ${SIGNING_SECRET_FORM}`)];
}

function fault(pointer: string, detail: string): FieldError {
  return { pointer, detail };
}

function refuse(faults: FieldError[]): void {
  if (faults.length > 0) throw invalid(faults);
}
