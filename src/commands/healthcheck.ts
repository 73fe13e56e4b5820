import type { Settings } from "../config/settings.ts";

const PATIENCE_MS = 3_000;

/**
 * Asks the process on this machine whether it is ready, so that an image needs no curl. Answers null when it
 * is, else why not. A worker is asked at its probe port.
 */
export async function healthcheck(settings: Settings): Promise<string | null> {
  const port = settings.role === "worker" ? settings.probePort : settings.port;
  if (port === undefined)
    return "a process that is only a worker answers probes at its --probe-port, which is not set";
  const url = `http://${reachable(settings.host)}:${port}/readyz`;
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(PATIENCE_MS),
      redirect: "error",
      proxy: "",
    });
    return response.ok ? null : `${url} answers ${response.status}: ${await response.text()}`;
  } catch (error) {
    return `${url} does not answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** A server that listens everywhere is reached at the loopback address. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
