import { expect, test } from "bun:test";
import { defaultDataDir } from "../../src/config/data_dir.ts";

test("data goes where the system says, else where the user's data is, else where a service's data is", () => {
  const home = { HOME: "/home/ada" };
  const data = { ...home, XDG_DATA_HOME: "/home/ada/data/" };
  expect(defaultDataDir({ ...data, STATE_DIRECTORY: "/var/lib/jobs:/var/lib/other" })).toBe("/var/lib/jobs");
  expect(defaultDataDir(data)).toBe("/home/ada/data/jobsvc");
  expect(defaultDataDir(home)).toBe("/home/ada/.local/share/jobsvc");
  expect(defaultDataDir({})).toBe("/var/lib/jobsvc");
});

test("what is empty or relative does not count", () => {
  expect(defaultDataDir({ STATE_DIRECTORY: "", XDG_DATA_HOME: "data", HOME: "/home/ada" })).toBe(
    "/home/ada/.local/share/jobsvc",
  );
  expect(defaultDataDir({ HOME: "" })).toBe("/var/lib/jobsvc");
});

test("root's data is where the user that PostgreSQL runs as can reach it", () => {
  expect(defaultDataDir({ HOME: "/root" })).toBe("/var/lib/jobsvc");
});
