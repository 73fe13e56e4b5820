import { describe, expect, test } from "bun:test";
import { documentFile } from "./document.ts";
import { INSTALL_MS, runTool, type Said } from "./tools.ts";

/** What each linter has against a document: names of rules, and where. */
const LINTERS: Record<string, (path: string) => Promise<string[]>> = {
  async redocly(path) {
    const args = ["lint", path, "--config=redocly.yaml", "--format=json", "--max-problems=1000"];
    const { problems } = jsonOf<{ problems: { ruleId: string; message: string }[] }>(
      await runTool("redocly", args),
      "{",
    );
    return problems.map(({ ruleId, message }) => `${ruleId}: ${message}`);
  },
  async spectral(path) {
    const args = [
      "lint",
      path,
      "--ruleset=spectral.yaml",
      "--format=json",
      "--fail-severity=hint",
      "--quiet",
    ];
    const problems = jsonOf<{ code: string; path: string[]; message: string }[]>(
      await runTool("spectral", args),
      "[",
    );
    return problems.map(({ code, path, message }) => `${code}: ${message} (${path.join(".")})`);
  },
};

/** Whatever a linter says of itself stands before its report, or instead of it. */
function jsonOf<Report>({ output, errors }: Said, opening: string): Report {
  const start = output.indexOf(opening);
  if (start < 0) throw new Error(`no report: ${output}${errors}`);
  return JSON.parse(output.slice(start));
}

describe.each(Object.entries(LINTERS))("%s", (_, complaintsOf) => {
  test(
    "finds nothing to complain of",
    async () => {
      await using document = await documentFile();
      expect(await complaintsOf(document.path)).toEqual([]);
    },
    INSTALL_MS,
  );

  test(
    "would complain of a name that is there twice, of a reference to nothing, and of a wrong example",
    async () => {
      await using document = await documentFile((text) =>
        text
          .replace('"operationId":"readStats"', '"operationId":"getJob"')
          .replace("#/components/schemas/Why", "#/components/schemas/Nowhere")
          .replace('"example":{"priority":1', '"example":{"priority":99'),
      );
      const complaints = (await complaintsOf(document.path)).join("\n");
      expect(complaints).toMatch(/operation-?operationId-?unique/i);
      expect(complaints).toMatch(/unresolved|invalid-ref/);
      expect(complaints).toMatch(/example/);
    },
    INSTALL_MS,
  );
});
