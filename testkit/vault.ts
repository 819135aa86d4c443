import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { inject } from "vitest";
import { makeCertificate } from "./certificate.ts";
import { freePort } from "./free-port.ts";

/** HashiCorp Vault or OpenBao; `null` where the tests that need it are skipped. */
export function findVault(): string | null {
  return inject("tools").vault;
}

export type ArrangeOptions = Readonly<{ token?: string; namespace?: string }>;
export type Arranged = Readonly<{ status: number; body: Readonly<Record<string, unknown>> }>;

/** One node with TLS on loopback, unsealed, with an audit device. Everything in it goes with it. */
export type TestVault = Readonly<{
  address: string;
  /** The authority of its certificate, PEM. */
  ca: string;
  rootToken: string;
  /** Goes with the node; for the files of a test. */
  folder: string;
  /** Calls the HTTP API, as root unless a token is given: for arranging, and for looking behind the curtain. */
  arrange(
    method: "GET" | "POST" | "DELETE",
    path: string,
    body?: object,
    options?: ArrangeOptions,
  ): Promise<Arranged>;
  seal(): Promise<void>;
  unseal(): Promise<void>;
  /** For SIGSTOP, SIGCONT and SIGKILL. */
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}>;

export async function startVault(program: string): Promise<TestVault> {
  const folder = await mkdtemp(join(tmpdir(), "keyhold-vault-"));
  const address = `https://127.0.0.1:${await freePort()}`;
  const { certificate, key } = makeCertificate("127.0.0.1");
  await writeFile(join(folder, "tls.pem"), certificate);
  await writeFile(join(folder, "tls.key"), key, { mode: 0o600 });
  await writeFile(join(folder, "config.json"), await configuration(program, folder, address));
  const node = await launch(program, folder);
  const agent = new Agent({ connect: { ca: certificate } });
  const call = async (method: string, path: string, body?: object, headers = {}): Promise<Arranged> => {
    const answer = await request(`${address}/v1/${path}`, {
      method,
      dispatcher: agent,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, body: text === "" ? {} : asRecord(JSON.parse(text)) };
  };
  const health = (): Promise<number | null> =>
    call("GET", "sys/health").then(
      ({ status }) => status,
      () => null,
    );
  await until(node, folder, async () => (await health()) !== null);
  const { keys, root_token } = (await call("POST", "sys/init", { secret_shares: 1, secret_threshold: 1 }))
    .body;
  const rootToken = String(root_token);
  const [unsealKey] = Array.isArray(keys) ? keys : [];
  const arrange: TestVault["arrange"] = async (method, path, body, { token = rootToken, namespace } = {}) =>
    call(method, path, body, {
      "X-Vault-Token": token,
      ...(namespace === undefined ? {} : { "X-Vault-Namespace": namespace }),
    });
  const unseal = async (): Promise<void> => {
    await call("POST", "sys/unseal", { key: unsealKey });
    await until(node, folder, async () => (await health()) === 200);
  };
  await unseal();
  await enableAudit(program, folder, arrange);
  return {
    address,
    ca: certificate,
    rootToken,
    folder,
    arrange,
    unseal,
    seal: async () => void (await arrange("POST", "sys/seal")),
    signal: (name) => void node.kill(name),
    stop: async () => {
      await agent.destroy();
      await end(node);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function configuration(program: string, folder: string, address: string): Promise<string> {
  const { host } = new URL(address);
  const cluster = `127.0.0.1:${await freePort()}`;
  return JSON.stringify({
    storage: { raft: { path: folder, node_id: "one", performance_multiplier: 1 } },
    listener: {
      tcp: {
        address: host,
        cluster_address: cluster,
        tls_cert_file: join(folder, "tls.pem"),
        tls_key_file: join(folder, "tls.key"),
      },
    },
    api_addr: address,
    cluster_addr: `https://${cluster}`,
    log_level: "error",
    ...(isOpenBao(program) ? openBaoAudit(folder) : { disable_mlock: true }),
  });
}

function isOpenBao(program: string): boolean {
  return spawnSync(program, ["version"]).stdout.toString().startsWith("OpenBao");
}

/** OpenBao takes audit devices from its configuration alone, Vault from its API alone. */
function openBaoAudit(folder: string): object {
  return { audit: [{ type: "file", path: "main", options: { file_path: join(folder, "audit.log") } }] };
}

async function enableAudit(program: string, folder: string, arrange: TestVault["arrange"]): Promise<void> {
  if (isOpenBao(program)) return;
  await arrange("POST", "sys/audit/main", {
    type: "file",
    options: { file_path: join(folder, "audit.log") },
  });
}

async function launch(program: string, folder: string): Promise<ChildProcess> {
  const log = await open(logOf(folder), "w");
  const node = spawn(program, ["server", "-config", join(folder, "config.json")], {
    stdio: ["ignore", log.fd, log.fd],
  });
  await log.close();
  // A test process that ends early must not leave a server behind.
  const kill = (): void => void node.kill("SIGKILL");
  process.once("exit", kill);
  node.once("exit", () => process.off("exit", kill));
  return node;
}

function logOf(folder: string): string {
  return join(folder, "server.log");
}

async function end(node: ChildProcess): Promise<void> {
  if (hasEnded(node)) return;
  const ended = once(node, "exit");
  node.kill("SIGCONT");
  node.kill("SIGTERM");
  const late = setTimeout(() => node.kill("SIGKILL"), 5000);
  await ended;
  clearTimeout(late);
}

function hasEnded(node: ChildProcess): boolean {
  return node.exitCode !== null || node.signalCode !== null;
}

/** For as long as it takes, which the test's own time-out bounds; a node that has ended never will. */
async function until(node: ChildProcess, folder: string, check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) {
    if (hasEnded(node)) throw new Error(`Vault ended: ${await readFile(logOf(folder), "utf8")}`);
    await sleep(50);
  }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
