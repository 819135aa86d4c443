import { expect, test } from "vitest";
import { isOwn, isPrivate } from "../../src/own-file.ts";

test("A file of the user who runs Keyhold, or of root, is its own; a file of any other user is not", () => {
  expect(isOwn({ uid: 1000 }, 1000)).toBe(true);
  expect(isOwn({ uid: 0 }, 1000)).toBe(true);
  expect(isOwn({ uid: 1001 }, 1000)).toBe(false);
  expect(isOwn({ uid: 65_534 }, 1000)).toBe(false);
  expect(isOwn({ uid: 1000 }, 0)).toBe(false);
});

test.each([
  ["a Secret of Kubernetes for a pod with fsGroup 3000", { uid: 0, gid: 3000, mode: 0o100440 }, true],
  ["the same with defaultMode 0600", { uid: 0, gid: 3000, mode: 0o100640 }, true],
  ["one for a group that this process is not in", { uid: 0, gid: 4000, mode: 0o100440 }, false],
  ["one that the group may write", { uid: 0, gid: 3000, mode: 0o100460 }, false],
  ["one that all may read", { uid: 0, gid: 3000, mode: 0o100444 }, false],
  ["one of another user's for our group", { uid: 1001, gid: 3000, mode: 0o100440 }, false],
  ["one for the group of root", { uid: 0, gid: 0, mode: 0o100640 }, false],
  ["our own", { uid: 1000, gid: 3000, mode: 0o100400 }, true],
])("Whether %s is private: %o is %s", (_, status, answer) => {
  expect(isPrivate(status, [0, 1000, 3000])).toBe(answer);
});
