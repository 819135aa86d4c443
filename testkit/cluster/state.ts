import { mkdir, mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { StartError } from "../../src/errors.ts";
import { type Certificate, makeAuthority } from "./certificates.ts";
import { kept } from "./kept.ts";
import { endLeftover } from "./leftovers.ts";
import { choosePorts, findTaken } from "./ports.ts";
import type { Program } from "./program.ts";

const settings = z.object({ product: z.enum(["OpenBao", "Vault"]), ports: z.array(z.int()).length(4) });
type Settings = Readonly<z.output<typeof settings>>;

const settingsFile = "cluster.json";

/**
 * Opens the folder, or a temporary one that goes again. Servers that were left behind there are ended. Throws `StartError` for a
 * folder of something else, and for one whose cluster runs.
 */
export async function openFolder(
  { folder: named, fresh = false }: Readonly<{ folder?: string | undefined; fresh?: boolean | undefined }>,
  servers: readonly string[],
  undo: AsyncDisposableStack,
): Promise<string> {
  if (named === undefined) {
    const folder = await mkdtemp(join(tmpdir(), "keyhold-cluster-"));
    undo.defer(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }
  await mkdir(named, { recursive: true, mode: 0o700 });
  const folder = await realpath(named);
  const content = await readdir(folder);
  if (content.length > 0 && !content.includes(settingsFile)) {
    throw new StartError(`${folder} holds something else. Name an empty folder, or a new one.`);
  }
  for (const name of servers) await endLeftover(join(folder, name));
  if (fresh) for (const name of content) await rm(join(folder, name), { recursive: true });
  return folder;
}

/**
 * What the first start in this folder has settled: the product, whose data another cannot read, and the first port of each of four
 * servers, which the nodes know each other by. Throws `StartError` for another product, and where a port is taken.
 */
export async function settle(
  folder: string,
  { product }: Program,
  wished: readonly number[] = [],
): Promise<Settings> {
  const text = await kept(join(folder, settingsFile), async () => {
    const ports = [...wished, ...(await choosePorts(4 - wished.length))];
    return JSON.stringify({ product, ports } satisfies Settings);
  });
  const settled = settings.parse(JSON.parse(text));
  if (settled.product !== product) {
    throw new StartError(
      `This folder has a cluster of ${settled.product}. Name its program with --program, or begin anew with --fresh.`,
    );
  }
  return settled;
}

/** Throws `StartError` unless the servers can have their ports. */
export async function refuseTaken(ports: readonly number[]): Promise<void> {
  const taken = await findTaken(ports);
  if (taken === null) return;
  throw new StartError(
    `Port ${taken} of this machine is taken. End the program that has it, or begin anew with --fresh.`,
  );
}

/** The authority of all servers of this folder. */
export async function openAuthority(folder: string): Promise<Certificate> {
  const text = await kept(join(folder, "authority.json"), () =>
    JSON.stringify(makeAuthority("Keyhold cluster of one machine")),
  );
  return z.object({ certificate: z.string(), key: z.string() }).parse(JSON.parse(text));
}
