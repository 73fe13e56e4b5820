import { parseArgs } from "node:util";
import { BUILDS, type BuildName } from "./builds.ts";
import { killAll } from "./child.ts";
import { findingLines, type Outcome, play } from "./play.ts";
import { SCENARIOS } from "./scenarios.ts";
import { table } from "./table.ts";

// Kills things and compares the books: npm run chaos -- --scenario=zombie --seed=7. Ends with a table, and with exit
// code 1 when something was found. The dose is a share of the one in the fault matrix; the same seed chooses the same
// victims.

const { values: options } = parseArgs({
  options: {
    scenario: { type: "string", default: "all" },
    seed: { type: "string", default: "1" },
    dose: { type: "string", default: "0.1" },
    build: { type: "string", default: "product" },
    list: { type: "boolean", default: false },
  },
});

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    killAll();
    process.exit(130);
  });

if (options.list) for (const { name, fault } of SCENARIOS) console.log(`${name.padEnd(24)} ${fault}`);
else process.exitCode = await runAll();
process.exit();

async function runAll(): Promise<number> {
  const names = options.scenario.split(",");
  const unknown = names.filter((name) => name !== "all" && !SCENARIOS.some((one) => one.name === name));
  if (unknown.length > 0 || !BUILDS.includes(options.build as BuildName)) {
    console.error(`no such scenario or build: ${[...unknown, options.build].join(", ")}; see --list`);
    return 2;
  }
  const how = { seed: Number(options.seed), dose: Number(options.dose), build: options.build as BuildName };
  const chosen = SCENARIOS.filter(({ name }) => names.includes("all") || names.includes(name));
  const outcomes: Outcome[] = [];
  for (const scenario of chosen) {
    const missing = scenario.missing?.();
    if (missing) {
      console.error(`${scenario.name}: left out, ${missing}`);
      continue;
    }
    console.error(`${scenario.name}, seed ${how.seed}, dose ${how.dose} …`);
    const outcome = await play(scenario, how);
    for (const line of findingLines(outcome.findings)) console.error(`  ${line}`);
    console.error(`  ${outcome.findings.length} findings after ${outcome.seconds} s`);
    outcomes.push(outcome);
  }
  console.log(table(outcomes));
  return outcomes.some(({ findings }) => findings.length > 0) ? 1 : 0;
}
