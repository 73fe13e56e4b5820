import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { MAX_LINE_BYTES } from "../job/line_data.ts";
import type { HeldLine } from "../queue/tell_held.ts";
import { fieldErrors, invalid } from "./field_errors.ts";
import { memberText } from "./json_text.ts";
import { Problem } from "./problem.ts";
import type { JsonBody } from "./request_body.ts";

// What a worker tells of a job while it works: one line a call.

/** White space and escapes in a body may be many; the line itself is measured without the former. */
export const MAX_LINE_BODY_BYTES = 4 * MAX_LINE_BYTES;

export const LeaseProgressBody = Type.Object(
  {
    percent: Type.Number({ minimum: 0, maximum: 100, description: "How much is done." }),
    message: Type.Optional(Type.String({ description: "What is being done." })),
  },
  {
    $id: "LeaseProgress",
    additionalProperties: false,
    description: "How far the job has come.",
    examples: [{ percent: 40, message: "page 4 of 10" }],
  },
);

export const LeaseLogBody = Type.Object(
  {
    message: Type.String(),
    fields: Type.Optional(
      Type.Object({}, { additionalProperties: true, description: "What belongs to it." }),
    ),
  },
  {
    $id: "LeaseLog",
    additionalProperties: false,
    description: "A line for people.",
    examples: [{ message: "slow answer", fields: { ms: 420 } }],
  },
);

export const LeaseOutputBody = Type.Object(
  { chunk: Type.Unknown({ description: "Any JSON value, kept as it is sent." }) },
  {
    $id: "LeaseOutput",
    additionalProperties: false,
    description: "A piece of output, before the result is there.",
    examples: [{ chunk: "Hello" }],
  },
);

export const readProgress = reader("progress", LeaseProgressBody, ({ percent, message }) =>
  JSON.stringify({ percent, ...(message !== undefined && { message }) }),
);

export const readLog = reader("log", LeaseLogBody, ({ message }, body) => {
  const fields = memberText(body, "fields");
  return `{"message":${JSON.stringify(message)}${fields === undefined ? "" : `,"fields":${oneLine(fields)}`}}`;
});

export const readOutput = reader(
  "output",
  LeaseOutputBody,
  (_, body) => `{"chunk":${oneLine(memberText(body, "chunk") ?? "null")}}`,
);

function reader<Schema extends TSchema>(
  type: HeldLine["type"],
  schema: Schema,
  dataOf: (value: Static<Schema>, body: string) => string,
): (body: JsonBody) => HeldLine {
  const check: TypeCheck<Schema> = TypeCompiler.Compile(schema);
  return ({ value, text }) => {
    if (!check.Check(value)) throw invalid(fieldErrors(check.Errors(value)));
    const data = dataOf(value, text);
    if (Buffer.byteLength(data) > MAX_LINE_BYTES)
      throw new Problem("too_large", `what is told at once may have ${MAX_LINE_BYTES} bytes`);
    return { type, data };
  };
}

/** JSON has line breaks between its tokens only, where a blank does as well. */
function oneLine(json: string): string {
  return json.replace(/[\r\n]/g, " ");
}
