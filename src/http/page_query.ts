import { Type } from "@sinclair/typebox";

export const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

/** What every list takes that is read page by page, beside its filters. */
export const PAGE_QUERY = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_LIMIT,
      default: DEFAULT_LIMIT,
      description: "Entries on a page.",
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      description: "`next_cursor` of the page before, with the same filter.",
    }),
  ),
};
