/**
 * Breaks an attempt off: from outside, or because its time is up. It does what an AbortController does, but makes the
 * signal only when somebody asks for it: few handlers do, and the signal costs more than all the rest of a tiny job.
 */
export class Breaker {
  /** Called at the break, before the signal: a handler that heeds it by throwing comes too late to be the reason. */
  onBreak: (() => void) | undefined;
  #reason: unknown;
  #controller: AbortController | undefined;

  /** Why the attempt was broken off; undefined as long as it was not. */
  get reason(): unknown {
    return this.#reason;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Only the first reason counts. */
  abort(reason: NonNullable<unknown>): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.onBreak?.();
    this.#controller?.abort(reason);
  }
}
