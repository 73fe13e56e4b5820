/** As the build packs it into the executable. */
export const DECLARATIONS_FILE = "jobsvc.d.ts";

/** The types of the module `jobsvc`, as a file for editors: packed into the executable, or made now when run from source. */
export async function declarations(): Promise<string> {
  if (!Bun.isStandaloneExecutable) return await (await import("./declare.ts")).declare();
  const file = Bun.embeddedFiles.find((file) => "name" in file && file.name === DECLARATIONS_FILE);
  if (!file) throw new Error("this executable was built without the types of handlers");
  return await file.text();
}
