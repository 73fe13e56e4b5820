import { startEmbedded } from "../../src/db/embedded/embedded.ts";

/**
 * A process that uses the embedded database until its input ends: what an api or a worker is to the server.
 */
const [dataDir] = process.argv.slice(2);
try {
  const { stop, ...embedded } = await startEmbedded({ dataDir: dataDir! });
  console.log(JSON.stringify(embedded));
  await Bun.stdin.text();
  await stop();
} catch (error) {
  console.log(JSON.stringify({ error: String(error) }));
  process.exit(1);
}
