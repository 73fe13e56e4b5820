import type { Histogram, Registry } from "prom-client";

/** How values spread: how many lie in each bucket, and what they add up to. */
export class Spread {
  sum = 0;
  count = 0;
  readonly counts: number[];

  /** `bounds`: the upper ends of the buckets, in rising order; what is larger has a bucket of its own. */
  constructor(readonly bounds: readonly number[]) {
    this.counts = Array(bounds.length + 1).fill(0);
  }

  add(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += value;
    this.count++;
  }
}

export interface SpreadMetric {
  name: string;
  help: string;
  read: () => Iterable<{ labels: Record<string, string>; spread: Spread }>;
}

/**
 * A histogram of spreads that are kept elsewhere and read when somebody scrapes. The library's own finds its buckets
 * anew at each value, by a text made of all labels, which costs more than the job or the request that is measured.
 */
export function spreadMetric(registry: Registry, { name, help, read }: SpreadMetric): void {
  const get = async () => ({
    name,
    help,
    type: "histogram",
    values: [...read()].flatMap(({ labels, spread }) => samples(name, labels, spread)),
  });
  // What the registry asks of a metric, and all that it asks of one.
  registry.registerMetric({ name, get } as unknown as Histogram);
}

function samples(name: string, labels: Record<string, string>, { bounds, counts, sum }: Spread) {
  let count = 0;
  const buckets = counts.map((inBucket, bucket) => {
    count += inBucket;
    return {
      metricName: `${name}_bucket`,
      labels: { le: bounds[bucket] ?? "+Inf", ...labels },
      value: count,
    };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
