import { Type } from "@sinclair/typebox";
import { readQuery } from "./query.ts";

const MAX_WAIT_S = 60;

export const WaitQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_WAIT_S,
        description:
          "Seconds to wait for the job to end. The answer shows the job as it is then, ended or not.",
      }),
    ),
  },
  { additionalProperties: false },
);

export interface Wait {
  seconds: number;
  /** Whether it was only a wish, which the answer then says was heeded. */
  wished: boolean;
}

/** How long the client is ready to wait: `?wait=`, or `Prefer: wait=` (RFC 7240), which is only a wish. */
export function readWait(request: Request): Wait {
  const { wait } = readQuery(request, WaitQuery);
  if (wait !== undefined) return { seconds: wait, wished: false };
  const preferred = request.headers.get("prefer")?.match(/(?:^|[,\s])wait=(\d{1,6})(?:$|[,;\s])/i)?.[1];
  const seconds = Math.min(Number(preferred ?? 0), MAX_WAIT_S);
  return { seconds, wished: seconds > 0 };
}
