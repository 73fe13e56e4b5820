import { Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { type Action, recordAudit } from "../access/audit.ts";
import { createKey, type KeyRecord, listKeys, revokeKey } from "../access/keys.ts";
import type { Principal } from "../access/principal.ts";
import type { Database } from "../db/connect.ts";
import { needs, principalOf } from "./auth.ts";
import { unbound } from "./bound.ts";
import { cursorOf, placeOf } from "./cursor.ts";
import { invalid } from "./field_errors.ts";
import { ApiKeyPage, ApiKeyView, CreatedApiKey, keyView } from "./key_view.ts";
import { MAX_KEY_BYTES, NewKeyBody, readNewKey } from "./new_key.ts";
import { DEFAULT_LIMIT, PAGE_QUERY } from "./page_query.ts";
import { notFound } from "./problem.ts";
import { queryParameters, readQuery } from "./query.ts";
import { readJson } from "./request_body.ts";
import { ProblemBody, problems, UUID_PATTERN, uuid } from "./schemas.ts";

const KeysQuery = Type.Object(PAGE_QUERY, { additionalProperties: false });
const KeyId = Type.Object({ id: uuid("The id of the key.") });
const PLACE = new RegExp(UUID_PATTERN);

export function keyRoutes({ db }: { db: Database }) {
  return new Elysia({ name: "keys", prefix: "/api/keys", tags: ["access"], normalize: false })
    .model({ NewApiKey: NewKeyBody, CreatedApiKey, ApiKey: ApiKeyView, ApiKeyPage, Problem: ProblemBody })
    .post(
      "",
      async ({ request, set }) => {
        const created = await createKey(db, readNewKey(await readJson(request, MAX_KEY_BYTES)));
        if (!created) throw invalid([{ pointer: "/expires_at", detail: "must be in the future" }]);
        await audit(db, principalOf(request), "key.create", created.record);
        set.status = 201;
        return { key: created.text, ...keyView(created.record) };
      },
      {
        beforeHandle: [needs("admin"), unbound],
        parse: "none",
        body: "NewApiKey",
        response: { 201: "CreatedApiKey", ...problems(400, 401, 403, 408, 413, 415, 422, 429, 500, 503) },
        detail: {
          operationId: "createKey",
          summary: "Make an API key",
          description:
            "The answer shows the key, this once: only its hash is kept. The first key closes an open service.",
        },
      },
    )
    .get(
      "",
      async ({ request }) => {
        const { limit = DEFAULT_LIMIT, cursor } = readQuery(request, KeysQuery);
        const before = cursor === undefined ? null : placeOf(cursor, PLACE);
        const found = await listKeys(db, { limit: limit + 1, before });
        const page = found.slice(0, limit);
        return {
          keys: page.map(keyView),
          next_cursor: found.length > limit ? cursorOf(page.at(-1)!.id) : null,
        };
      },
      {
        beforeHandle: [needs("admin"), unbound],
        response: { 200: "ApiKeyPage", ...problems(401, 403, 422, 429, 500, 503) },
        detail: {
          operationId: "listKeys",
          summary: "List API keys",
          description: "The newest first, those included that open nothing any more.",
          parameters: queryParameters(KeysQuery),
        },
      },
    )
    .delete(
      "/:id",
      async ({ params, request }) => {
        const revoked = await revokeKey(db, params.id);
        if (!revoked) throw notFound();
        if (revoked.now) await audit(db, principalOf(request), "key.revoke", revoked.record);
        return keyView(revoked.record);
      },
      {
        beforeHandle: [needs("admin"), unbound],
        params: KeyId,
        response: { 200: "ApiKey", ...problems(401, 403, 404, 429, 500, 503) },
        detail: {
          operationId: "revokeKey",
          summary: "Revoke an API key",
          description: "From the next request on it opens nothing, on every node. Once more changes nothing.",
        },
      },
    );
}

function audit(db: Database, principal: Principal, action: Action, { id, name }: KeyRecord) {
  return recordAudit(db, { principal, action, detail: { key_id: id, name } });
}
