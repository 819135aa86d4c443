import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { confinement } from "../../../../src/venues/process/child.ts";
import type { Probe } from "../../../../testkit/probing-program.ts";

const program = fileURLToPath(new URL("../../../../testkit/probing-program.ts", import.meta.url));
const support = `--allow-fs-read=${fileURLToPath(new URL("../../../../testkit/", import.meta.url))}`;
const server = createServer((_request, response) => response.end());
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-confined-"));
  await writeFile(join(folder, "key"), "KEY=material");
  server.listen(join(folder, "served.sock"));
  await once(server, "listening");
});

afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

type Found = Readonly<{ done: readonly string[]; all: readonly string[] }>;

/** What the attempts achieve under these flags of Node. */
async function attempt(
  execArgv: readonly string[],
  { hardened = false, except = [] }: Partial<Pick<Probe, "hardened" | "except">> = {},
): Promise<Found> {
  const scratch = await mkdtemp(join(folder, "scratch-"));
  const { env, stdio, serialization } = confinement;
  const options = { env, serialization, stdio: [...stdio], cwd: scratch, execArgv: [...execArgv] };
  const child = fork(program, options);
  const [secret, socket] = [join(folder, "key"), join(folder, "served.sock")];
  const probe: Probe = { secret, socket, scratch, hardened, except };
  child.send(probe);
  const [found]: Found[] = await Promise.race([once(child, "message"), once(child, "exit").then(() => [])]);
  child.kill("SIGKILL");
  if (found === undefined) throw new Error("the program ended before it answered");
  return hardened ? { ...found, done: [...found.done, ...(await readdir(scratch))] } : found;
}

/** Attempts that end the program when they succeed. */
const fatal = ["starts a program in its own place", "writes a snapshot"];

/** Attempts that cannot succeed on every machine, and so prove nothing by failing without the confinement. */
const neverPossible = new Set([
  "loads an addon",
  "binds a handle to a path",
  "starts a Node",
  "loads a key file as a module",
  "calls a library of the system",
  "reads the memory of its parent",
]);

describe("venue code", () => {
  test("can do none of this in a venue process", async () => {
    const { done, all } = await attempt([...confinement.execArgv, support], { hardened: true });
    expect(done).toEqual([]);
    expect(all.length).toBeGreaterThan(40);
  });

  test("could do nearly all of it without the confinement", async () => {
    const { done, all } = await attempt([], { except: [...fatal] });
    const open = new Set([...done, ...fatal, ...neverPossible]);
    expect(all.filter((name) => !open.has(name))).toEqual([]);
  });

  test("is not confined by the permission model alone", async () => {
    const old = [...confinement.execArgv, support].filter((flag) => !/sqlite|code-generation/.test(flag));
    const { done } = await attempt(old);
    expect(done).toEqual(
      expect.arrayContaining(["makes a database", "signals its parent", "connects to a socket on a path"]),
    );
  });

  test("gets no environment and no output", () => {
    expect(confinement.env).toEqual({});
    expect(confinement.stdio.slice(0, 3)).toEqual(["ignore", "ignore", "ignore"]);
  });
});
