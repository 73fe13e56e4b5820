import { build } from "../builds.ts";
import type { Member, MemberOptions } from "../fleet.ts";
import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const togetherMs = (world: World) => world.seconds(120, 6);
/** A wrong setting, as sysexits.h has it: no restart will cure it. */
const CONFIGURATION = 78;

/** The schema of the next version while this one works, both side by side, and then the next one alone. */
export const upgrade: Scenario = {
  name: "upgrade",
  fault: "the next version migrates under load, works beside this one, and takes its place",
  dose: (world) => `${togetherMs(world) / 1_000} s together`,
  async run(world) {
    const executable = await build("next");
    const old = world.fleet.living();
    await underLoad(world, async () => {
      await refused(
        world,
        { executable, args: ["--no-migrate"] },
        "the next version on the schema of this one",
      );
      await migrate(world, executable);
      await refused(world, {}, "this version on the schema of the next one");
      for (const { role } of old) await start(world, role, { executable });
      await world.wait(togetherMs(world));
      for (const member of old) await replaced(world, member);
      world.healed();
    });
    await world.settle();
    const jobs = new Set(world.receiver.calls.map(({ jobId }) => jobId)).size;
    if (world.receiver.calls.length !== jobs)
      world.find("I9", `${world.receiver.calls.length} calls for ${jobs} jobs`);
  },
};

const start = (world: World, role: Member["role"], options: MemberOptions) =>
  role === "api" ? world.fleet.startApi(options) : world.fleet.startWorker(options);

/** It must not come up, and say that this is nothing that a restart would cure. */
async function refused(world: World, options: MemberOptions, what: string) {
  await world.fleet.startWorker(options).catch(() => undefined);
  const code = await world.fleet.members.at(-1)!.exited;
  if (code !== CONFIGURATION) world.find("F32", `${what} left with ${code}, not ${CONFIGURATION}`);
}

async function migrate(world: World, executable: string) {
  const begunMs = Date.now();
  const migration = Bun.spawn([executable, "migrate"], {
    env: { DATABASE_URL: world.postgres.url() },
    stdout: "ignore",
    stderr: "inherit",
  });
  const code = await migration.exited;
  if (code !== 0) world.find("F32", `the migration left with ${code}`);
  world.note(`migrated in ${Date.now() - begunMs} ms`);
}

/** It had gone on until now, ready all the while, and leaves in peace. */
async function replaced(world: World, member: Member) {
  if (member.exitCode !== undefined)
    return world.find("F32", `a ${member.role} left with ${member.exitCode}`);
  const { status } = await fetch(`${member.url}/readyz`);
  if (status !== 200)
    world.find("I20", `a ${member.role} of this version answers ${status} on the next schema`);
  member.signal("SIGTERM");
  const code = await member.exited;
  if (code !== 0) world.find("I10", `a ${member.role} left with ${code}`);
}
