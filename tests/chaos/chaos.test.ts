import { describe, expect, test } from "bun:test";
import { type BuildName, build } from "./builds.ts";
import { findingLines, play } from "./play.ts";
import { SCENARIOS } from "./scenarios.ts";

/** The same victims at every run. How fast things go on is for runs by hand: here others are at work, too. */
const SEED = 1;
const DOSE = 0.05;
const SPEED = "I12";
const LONGEST_MS = 240_000;

const CHOSEN = [
  "kill-workers",
  "kill-api",
  "rolling",
  "zombie",
  "postgres-immediate",
  "backend-kills",
  "inside-transactions",
  "read-only",
  "poison",
  "same-key",
  "cancel-race",
  "lease-race",
  "failover-sync",
];

/** What nobody would see if the fence were not needed. */
const FENCED = ["zombie", "cancel-race", "lease-race"];
/** The fence stands behind others: a worker that wakes up may hear of its losses before it has written one result. */
const TRIES = 4;

async function played(name: string, how: BuildName) {
  const scenario = SCENARIOS.find((one) => one.name === name)!;
  return await play(scenario, { seed: SEED, dose: DOSE, build: how });
}

describe("the accounts of client, receiver, database and metrics agree after", () => {
  test.each(CHOSEN)(
    "%s",
    async (name) => {
      const outcome = await played(name, "product");
      const findings = outcome.findings.filter(({ invariant }) => invariant !== SPEED);
      expect(findingLines(findings)).toEqual([]);
      expect(outcome).toMatchObject({ lost: 0, endedTwice: 0, explained: outcome.duplicated });
      expect(outcome.jobs).toBeGreaterThan(0);
    },
    LONGEST_MS,
  );
});

describe("without the fence", () => {
  test("there is an executable to be caught", async () => {
    expect(await build("no-fence")).toEndWith("jobsvc-no-fence");
  }, 120_000);

  test.each(FENCED)(
    "they do not agree after %s",
    async (name) => {
      const broken = new Set<string>();
      for (let tries = 0; tries < TRIES && !broken.has("I6"); tries++) {
        const { findings } = await played(name, "no-fence");
        for (const { invariant } of findings) broken.add(invariant);
      }
      expect([...broken]).toContain("I6");
    },
    LONGEST_MS,
  );
});
