/** A process that speaks lines of JSON, one at a time. */
export interface Speaker {
  pid: number;
  /** The next line that it tells. Throws when it ends without one. */
  hear<Line>(): Promise<Line>;
  tell(line: object): void;
  /** Nothing more will be told to it; waits until it has ended. */
  finish(): Promise<void>;
  kill(): Promise<void>;
}

export function speaker(command: string[], env: Record<string, string> = {}): Speaker {
  const child = Bun.spawn(command, {
    cwd: import.meta.dir,
    env: { ...Bun.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const complaint = new Response(child.stderr).text();
  const lines = linesOf(child.stdout);
  return {
    pid: child.pid,
    async hear<Line>() {
      const { value, done } = await lines.next();
      if (!done) return JSON.parse(value) as Line;
      throw new Error(`${command.join(" ")} ended with ${await child.exited}: ${await complaint}`);
    },
    tell(line) {
      child.stdin.write(`${JSON.stringify(line)}\n`);
      child.stdin.flush();
    },
    async finish() {
      child.stdin.end();
      await child.exited;
    },
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
