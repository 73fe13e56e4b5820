import { expect, test } from "bun:test";
import { readTraceparent } from "../../src/job/traceparent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test.each([[`00-${TRACE}-${SPAN}-01`], [`00-${TRACE}-${SPAN}-00`], [`cc-${TRACE}-${SPAN}-ff`]])(
  "%s is one",
  (text) => {
    expect(readTraceparent(text)).toBe(text);
  },
);

test.each([
  [null],
  [""],
  [`ff-${TRACE}-${SPAN}-01`],
  [`00-${"0".repeat(32)}-${SPAN}-01`],
  [`00-${TRACE}-${"0".repeat(16)}-01`],
  [`00-${TRACE.toUpperCase()}-${SPAN}-01`],
  [`00-${TRACE}-${SPAN}-01-more`],
  [`00-${TRACE}-${SPAN}-01\r\nx-evil: 1`],
  [`00-${TRACE}-${SPAN}-01\n`],
  ['{"a":1}'],
])("%p is none", (text) => {
  expect(readTraceparent(text)).toBeNull();
});
