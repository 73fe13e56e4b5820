import { Elysia } from "elysia";
import styles from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import script from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };

/** Everything comes from this server, and no script stands in the page itself. Images: the icons within the style sheet. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>jobsvc API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/swagger/swagger-ui.css">
    <script src="/swagger/swagger-ui-bundle.js" defer></script>
    <script src="/swagger/start.js" defer></script>
  </head>
  <body>
    <div id="swagger-ui"></div>
  </body>
</html>
`;

/** Without `validatorUrl: null` the page would ask another host for a badge. The key is never kept in the browser. */
const START = `SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  persistAuthorization: false,
  deepLinking: true,
  displayRequestDuration: true,
});
`;

/** They change with the executable only, and an hour of an old one does no harm. */
const ASSET_CACHING = "public, max-age=3600";

/** Swagger UI with all its parts inside the executable: it works where no other host can be reached. */
export function swaggerRoutes() {
  const detail = { hide: true };
  return new Elysia({ name: "swagger", normalize: false })
    .get("/", ({ redirect }) => redirect("/swagger"), { detail })
    .get("/swagger", page, { detail })
    .get("/swagger/start.js", () => asset(START, "text/javascript; charset=utf-8"), { detail })
    .get("/swagger/swagger-ui-bundle.js", () => asset(Bun.file(script), "text/javascript; charset=utf-8"), {
      detail,
    })
    .get("/swagger/swagger-ui.css", () => asset(Bun.file(styles), "text/css; charset=utf-8"), { detail });
}

function page(): Response {
  return new Response(PAGE, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": CONTENT_SECURITY_POLICY,
      "cross-origin-opener-policy": "same-origin",
    },
  });
}

function asset(content: string | Bun.BunFile, type: string): Response {
  return new Response(content, { headers: { "content-type": type, "cache-control": ASSET_CACHING } });
}
