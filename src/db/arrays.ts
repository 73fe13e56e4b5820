/** The array types of Postgres that our statements take as parameters, by OID. */
const ARRAY_OIDS = {
  text: 1009,
  uuid: 2951,
  int2: 1005,
  int4: 1007,
  int8: 1016,
  timestamptz: 1185,
} as const;

type Element = string | number | null;

/**
 * Lets the driver send JavaScript arrays as Postgres arrays. It would look the types up by a query of
 * its own at every connect, which we turn off (see `connect.ts`), so they are named here.
 */
export const ARRAY_TYPES = {
  array: {
    to: ARRAY_OIDS.text,
    from: Object.values(ARRAY_OIDS),
    serialize: arrayLiteral,
    // Our statements return no arrays: they unnest them, or answer JSON.
    parse: (text: string) => text,
  },
};

/** The text form of a Postgres array. Everything is quoted but numbers and null, so no text can break out. */
export function arrayLiteral(values: readonly Element[]): string {
  return `{${values.map(elementLiteral).join(",")}}`;
}

/** The same, of what never needs quotes: ids and whole numbers. */
export function plainLiteral(values: readonly (string | number)[]): string {
  return `{${values.join(",")}}`;
}

/** A column of a statement that says once what every row has in common, and what each has where they differ. */
export interface Column<Value extends Element> {
  all: Value | null;
  each: readonly Value[];
}

/** The column of one member of the rows, each as `sent` makes it. Of no rows every column is null. */
export function column<Row extends object, Name extends keyof Row, Value extends Element>(
  rows: readonly Row[],
  name: Name,
  sent: (value: Row[Name]) => Value,
): Column<Value> {
  const [first] = rows;
  if (first === undefined) return { all: null, each: [] };
  const value = first[name];
  const all = sent(value);
  // The very same value need not be looked into.
  if (rows.every((row) => row[name] === value || sent(row[name]) === all)) return { all, each: [] };
  return { all: null, each: rows.map((row) => sent(row[name])) };
}

/** For a column whose members are sent as they are. */
export function asItIs<Value>(value: Value): Value {
  return value;
}

function elementLiteral(value: Element): string {
  if (value === null) return "NULL";
  if (typeof value === "number") return String(value);
  return PLAIN.test(value) ? value : `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** Ids and most names need no quotes; the word NULL does, and an empty text too. */
const PLAIN = /^(?!null$)[\w-]+$/i;
