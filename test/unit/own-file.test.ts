import { expect, test } from "vitest";
import { isOwn } from "../../src/own-file.ts";

test("A file of the user who runs Keyhold, or of root, is its own; a file of any other user is not", () => {
  expect(isOwn({ uid: 1000 }, 1000)).toBe(true);
  expect(isOwn({ uid: 0 }, 1000)).toBe(true);
  expect(isOwn({ uid: 1001 }, 1000)).toBe(false);
  expect(isOwn({ uid: 65_534 }, 1000)).toBe(false);
  expect(isOwn({ uid: 1000 }, 0)).toBe(false);
});
