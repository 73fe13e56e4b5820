import { expect } from "bun:test";

/** What was scraped: the value of each series, under its name and sorted labels (`a_total{b="c"}`). */
export type Scraped = Map<string, number>;

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/g;

/** Reads the text format of Prometheus, and fails at whatever a scraper would trip over. */
export function scraped(text: string): Scraped {
  const series: Scraped = new Map();
  const types = new Map<string, string>();
  expect(text).toEndWith("\n");
  for (const line of text.split("\n").filter((line) => line !== "")) {
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === "TYPE") {
      expect(types.has(name!)).toBe(false);
      types.set(name!, rest!);
    }
    if (keyword !== undefined) continue;
    const [, sample, labels, value] = SAMPLE.exec(line) ?? [];
    if (sample === undefined) throw new Error(`no sample and no comment: ${line}`);
    const type = types.get(sample) ?? types.get(sample.replace(/_(bucket|sum|count)$/, ""));
    if (type === undefined) throw new Error(`a series without a type: ${line}`);
    if (type === "counter") expect(sample).toEndWith("_total");
    const key = keyOf(sample, labels ?? "");
    if (series.has(key)) throw new Error(`told twice: ${key}`);
    series.set(key, Number(value));
  }
  checkHistograms(series);
  return series;
}

function keyOf(name: string, text: string): string {
  const labels = [...text.matchAll(LABEL)];
  expect(labels.map(([whole]) => whole).join("")).toBe(text);
  const sorted = labels.map(([, label, value]) => `${label}="${value}"`).sort();
  return sorted.length > 0 ? `${name}{${sorted.join(",")}}` : name;
}

/** Buckets add up, and the last one holds everything. */
function checkHistograms(series: Scraped) {
  const last = new Map<string, number>();
  for (const [key, value] of series) {
    if (!/[{,]le="/.test(key)) continue;
    const of = key
      .replace(/(?<=[{,])le="[^"]*",?/, "")
      .replace(/,}$/, "}")
      .replace(/{}$/, "");
    expect(value).toBeGreaterThanOrEqual(last.get(of) ?? 0);
    last.set(of, value);
  }
  for (const [key, value] of last) expect(series.get(key.replace("_bucket", "_count"))).toBe(value);
}

/** The series of one metric, by their labels. */
export function seriesOf(all: Scraped, name: string): Record<string, number> {
  const own = [...all].filter(([key]) => key === name || key.startsWith(`${name}{`));
  return Object.fromEntries(own.map(([key, value]) => [key.slice(name.length), value]));
}
