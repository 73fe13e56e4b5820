import { expect, test } from "bun:test";
import { documentFile } from "./document.ts";
import { INSTALL_MS, runTool } from "./tools.ts";

interface Complaint {
  code: string;
  path: string[];
  message: string;
}

test(
  "redocly finds nothing to complain of",
  async () => {
    await using document = await documentFile();
    const args = ["lint", document.path, "--config=redocly.yaml", "--format=json", "--max-problems=1000"];
    const { output, errors } = await runTool("redocly", args);
    // Whatever it says of itself comes before.
    const report = JSON.parse(
      output.slice(output.indexOf("{")) || `{"problems":${JSON.stringify([errors])}}`,
    );
    expect(report.problems).toEqual([]);
    expect(errors).toContain("Your API description is valid");
  },
  INSTALL_MS,
);

test(
  "spectral finds nothing to complain of",
  async () => {
    await using document = await documentFile();
    const args = [
      "lint",
      "--ruleset=spectral.yaml",
      "--format=json",
      "--fail-severity=hint",
      "--quiet",
      document.path,
    ];
    const { output, errors, exitCode } = await runTool("spectral", args);
    const complaints: Complaint[] = JSON.parse(output.slice(output.indexOf("[")) || "[]");
    expect(complaints.map(({ code, path, message }) => `${path.join(".")}: ${code}: ${message}`)).toEqual([]);
    expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: "" });
  },
  INSTALL_MS,
);
