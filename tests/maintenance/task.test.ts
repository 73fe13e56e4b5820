import { describe, expect, test } from "bun:test";
import { maintenance, type Task } from "../../src/maintenance/task.ts";
import { recorder } from "../support/events.ts";
import { until } from "../support/until.ts";

/** Maintenance of a task that counts its turns. */
function running(everyMs: number, act: (turn: number) => void) {
  const events = recorder();
  let turns = 0;
  const task: Task = {
    name: "sweeper",
    everyMs,
    async runOnce() {
      act(++turns);
    },
  };
  return {
    ...events,
    ...maintenance(task, events.emit),
    reached: (turn: number) => until(`turn ${turn}`, () => turns >= turn),
    turns: () => turns,
  };
}

describe("maintenance", () => {
  test("has its first turn at once and then comes round until it is stopped", async () => {
    const sweeper = running(1, () => {});
    await sweeper.start();
    await sweeper.reached(5);
    await sweeper.stop();
    const turns = sweeper.turns();
    const other = running(1, () => {});
    await other.start();
    await other.reached(5);
    await other.stop();
    expect(sweeper.turns()).toBe(turns);
    expect(sweeper.of("step.failed")).toEqual([]);
  });

  test("tells of an error and goes on", async () => {
    const error = new Error("the database is away");
    const sweeper = running(1, (turn) => {
      if (turn === 1) throw error;
    });
    await sweeper.start();
    await sweeper.reached(3);
    await sweeper.stop();
    expect(sweeper.of("step.failed")).toEqual([{ step: "sweeper", error }]);
  });

  test("does not wait for its next turn when it is stopped", async () => {
    const sweeper = running(600_000, () => {});
    await sweeper.start();
    await sweeper.reached(1);
    await sweeper.stop();
    expect(sweeper.turns()).toBe(1);
  });
});
