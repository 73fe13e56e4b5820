import { isIPv4, isIPv6 } from "node:net";
import { FormatRegistry } from "@sinclair/typebox";

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME = /^([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;
const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
/** What mail servers take, without the quoted and commented forms that nobody has. */
const EMAIL = /^[^\s@"(),:;<>[\]\\]{1,64}@[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)+$/i;

/** The formats that a payload's schema may name. Whoever checks payloads knows the same ones, in every process and thread. */
export const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  "date-time": (text) =>
    isDate(text.slice(0, 10)) && /^[Tt]$/.test(text.charAt(10)) && TIME.test(text.slice(11)),
  date: isDate,
  time: (text) => TIME.test(text),
  uuid: (text) => UUID.test(text),
  email: (text) => EMAIL.test(text),
  uri: (text) => /^[a-z][a-z\d+.-]*:[^\s]+$/i.test(text) && URL.canParse(text),
  ipv4: isIPv4,
  ipv6: isIPv6,
};

/** Makes the formats known to TypeBox, in this thread. */
export function provideFormats(): void {
  for (const [name, fits] of Object.entries(FORMATS)) FormatRegistry.Set(name, fits);
}

function isDate(text: string): boolean {
  const [, year, month, day] = (DATE.exec(text) ?? []).map(Number);
  const date = new Date(Date.UTC(year!, month! - 1, day));
  return date.getUTCMonth() === month! - 1 && date.getUTCDate() === day;
}
