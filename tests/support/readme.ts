import { join } from "node:path";

const README = await Bun.file(join(import.meta.dir, "..", "..", "README.md")).text();

/** The program in this language under a heading of the README, as a reader would copy it. */
export function exampleIn(language: string, heading: string): string {
  const [, section] = README.split(new RegExp(`^#+ ${heading}$`, "m"));
  const [, text] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "ms").exec(section ?? "") ?? [];
  if (text === undefined) throw new Error(`the README has no ${language} under "${heading}"`);
  return text;
}
