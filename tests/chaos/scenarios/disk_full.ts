import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const fullMs = (world: World) => world.seconds(20, 4);
const SIZE = "64m";

/** The tables lie on a small disk of their own, which somebody fills. Log and catalogue have room. */
export const diskFull: Scenario = {
  name: "disk-full",
  fault: "the disk of the tables is full",
  dose: (world) => `${fullMs(world) / 1_000} s`,
  missing: () =>
    process.getuid?.() === 0 && Bun.spawnSync(["unshare", "--mount", "true"]).exitCode === 0
      ? undefined
      : "only root can make a small disk",
  async run(world) {
    const disk = join(world.directory, "disk");
    const tables = join(disk, "tables");
    mkdirSync(disk);
    await Bun.$`mount -t tmpfs -o size=${SIZE} tmpfs ${disk}`;
    world.defer(async () => void (await Bun.$`umount -l ${disk}`));
    mkdirSync(tables);
    chmodSync(disk, 0o755);
    await Bun.$`chown --reference=${join(world.directory, "postgres", "pgdata")} ${tables}`;
    await world.postgres.ask((sql) => sql.unsafe(`create tablespace small location '${tables}'`));
    for (const name of ["jobs", "attempts", "ready", "leases"])
      await world.postgres.ask((sql) => sql.unsafe(`alter table jobsvc.${name} set tablespace small`));

    const ballast = join(disk, "ballast");
    await underLoad(world, async () => {
      await Bun.$`cat /dev/zero > ${ballast}`.nothrow().quiet();
      await world.wait(fullMs(world));
      rmSync(ballast);
      world.healed();
    });
    const refused = world.client.submissions.filter(({ tries }) =>
      tries.some(({ status }) => status === 503),
    );
    world.note(`${refused.length} requests told to come again`);
  },
};
