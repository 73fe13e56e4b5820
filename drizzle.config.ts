import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: [
    "./src/db/schema.ts",
    "./src/db/workers_schema.ts",
    "./src/db/access_schema.ts",
    "./src/db/agents_schema.ts",
  ],
  out: "./drizzle",
});
