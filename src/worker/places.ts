/** Places for jobs in threads, shared by the pools of all queues. */
export interface Places {
  /**
   * Answers how many of the `wanted` places are the caller's now. When none is free, `wake` is called once there is one:
   * whoever asked first is woken first, or a queue with a backlog would leave nothing to the others.
   */
  take(wanted: number, wake: () => void): number;
  giveBack(count: number): void;
}

export function places(limit: number): Places {
  let free = limit;
  const waiting = new Set<() => void>();

  return {
    take(wanted, wake) {
      const taken = Math.max(0, Math.min(wanted, free));
      free -= taken;
      if (wanted > 0 && taken === 0) waiting.add(wake);
      else waiting.delete(wake);
      return taken;
    },
    giveBack(count) {
      free += count;
      for (const wake of [...waiting].slice(0, count)) {
        waiting.delete(wake);
        wake();
      }
    },
  };
}
