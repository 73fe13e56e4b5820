import { loadHandler } from "../../src/handlers/load.ts";

/** Loads the handler whose file it is told, and runs it. */
self.onmessage = async ({ data }: MessageEvent<string>) => {
  const { definition } = await loadHandler(data);
  const result = await definition.run({ to: "you" }, undefined as never);
  self.postMessage({ kind: definition.kind, result });
};
