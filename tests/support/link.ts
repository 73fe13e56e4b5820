import { createServer, connect as dial, type Socket } from "node:net";

/** A way to a TCP server that can be harmed: what a broken network or a restarting server looks like from here. */
export interface Link {
  port: number;
  /** The other end is away: connections break, new ones are refused a moment after they were made. */
  cut(): void;
  /** Connections are reset, as by a router that has lost its memory. New ones work. */
  reset(): void;
  /** Connections that are open stay open and never carry a byte again, as when a firewall forgets them. New ones work. */
  silence(): void;
  /** Also new ones carry nothing, until it is restored. */
  swallow(): void;
  /** Every piece arrives this much later, in both directions. */
  delay(ms: number): void;
  /** Ends what `cut`, `swallow` and `delay` began. Silenced connections stay silent. */
  restore(): void;
  /** From now on new connections lead elsewhere; the open ones are cut. */
  redirect(target: Target): void;
  close(): void;
}

export type Target = { port: number; host?: string } | { path: string };

interface Pair {
  client: Socket;
  server: Socket;
  silent: boolean;
}

/** At any free port, unless one is named. */
export async function openLink(to: Target, port = 0): Promise<Link> {
  let target = to;
  let open = true;
  let swallowing = false;
  let delayMs = 0;
  const pairs = new Set<Pair>();

  const listener = createServer((client) => {
    if (!open) return void client.destroy();
    const pair: Pair = { client, server: reach(), silent: swallowing };
    pairs.add(pair);
    carry(pair, client, pair.server);
    carry(pair, pair.server, client);
  });

  function reach(): Socket {
    return "path" in target ? dial(target.path) : dial(target.port, target.host ?? "127.0.0.1");
  }

  function carry(pair: Pair, from: Socket, to: Socket) {
    from.on("data", (bytes) => {
      if (pair.silent) return;
      if (delayMs > 0) setTimeout(() => to.write(bytes), delayMs);
      else to.write(bytes);
    });
    from.on("error", () => from.destroy());
    from.on("close", () => {
      // Over a silent connection nobody can say that he is gone.
      if (pair.silent) return;
      to.destroy();
      pairs.delete(pair);
    });
  }

  function forget() {
    for (const { client, server } of pairs) {
      client.destroy();
      server.destroy();
    }
    pairs.clear();
  }

  await new Promise<void>((listening) => listener.listen(port, "127.0.0.1", listening));
  return {
    port: (listener.address() as { port: number }).port,
    cut() {
      open = false;
      forget();
    },
    reset() {
      for (const { client, server } of pairs) {
        client.resetAndDestroy();
        server.destroy();
      }
      pairs.clear();
    },
    silence() {
      for (const pair of pairs) pair.silent = true;
    },
    swallow() {
      swallowing = true;
      for (const pair of pairs) pair.silent = true;
    },
    delay(ms) {
      delayMs = ms;
    },
    restore() {
      open = true;
      swallowing = false;
      delayMs = 0;
    },
    redirect(elsewhere) {
      target = elsewhere;
      forget();
    },
    close() {
      open = false;
      forget();
      listener.close();
    },
  };
}
