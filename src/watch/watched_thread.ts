import { loop } from "../lifecycle/loop.ts";
import { WATCHED_PATIENCE_MS } from "./watched.ts";

/** Soon enough that nobody starts the next service before this one begins to stop. */
const LOOK_EVERY_MS = 250;

let isAsked = false;

/** Is told the id of the parent. Whoever becomes the parent after that one has gone has another id. */
self.onmessage = ({ data: parent }: MessageEvent<number>) =>
  loop(
    "parent",
    async () => {
      if (process.ppid === parent) return LOOK_EVERY_MS;
      process.kill(process.pid, isAsked ? "SIGKILL" : "SIGTERM");
      isAsked = true;
      return WATCHED_PATIENCE_MS;
    },
    (error) => console.error(error),
  ).start();
