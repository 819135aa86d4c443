import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { builtVault } from "../../tools/vault/build.ts";
import { makeCertificate } from "./certificate.ts";
import { freePort } from "./free-port.ts";
import { orSkip, type Tool } from "./tool.ts";

/** Vault or OpenBao: `KEYHOLD_TEST_VAULT` (a name on the PATH, or a path), or what `tools/vault` built. */
export function findVault(): Tool {
  const named = process.env["KEYHOLD_TEST_VAULT"];
  const found = named ?? (existsSync(builtVault()) ? builtVault() : null);
  return orSkip(found, "HashiCorp Vault", "Build it once with: node tools/vault/build.ts");
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

/** Milliseconds for a node to answer, or to become active. */
const patience = 30_000;

export async function startVault(program: string): Promise<TestVault> {
  const folder = await mkdtemp(join(tmpdir(), "keyhold-vault-"));
  const address = `https://127.0.0.1:${await freePort()}`;
  const { certificate, key } = makeCertificate("127.0.0.1");
  await writeFile(join(folder, "tls.pem"), certificate);
  await writeFile(join(folder, "tls.key"), key, { mode: 0o600 });
  await writeFile(join(folder, "config.json"), await configuration(program, folder, address));
  const node = launch(program, folder);
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
  await until("answer", () =>
    call("GET", "sys/health").then(
      () => true,
      () => false,
    ),
  );
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
    await until("be active", async () => (await call("GET", "sys/health")).status === 200);
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
  return { audit: [{ file: { main: { options: { file_path: join(folder, "audit.log") } } } }] };
}

async function enableAudit(program: string, folder: string, arrange: TestVault["arrange"]): Promise<void> {
  if (isOpenBao(program)) return;
  await arrange("POST", "sys/audit/main", {
    type: "file",
    options: { file_path: join(folder, "audit.log") },
  });
}

function launch(program: string, folder: string): ChildProcess {
  const node = spawn(program, ["server", "-config", join(folder, "config.json")], { stdio: "ignore" });
  // A test process that ends early must not leave a server behind.
  const kill = (): void => void node.kill("SIGKILL");
  process.once("exit", kill);
  node.once("exit", () => process.off("exit", kill));
  return node;
}

async function end(node: ChildProcess): Promise<void> {
  if (node.exitCode !== null || node.signalCode !== null) return;
  const ended = once(node, "exit");
  node.kill("SIGCONT");
  node.kill("SIGTERM");
  const late = setTimeout(() => node.kill("SIGKILL"), 5000);
  await ended;
  clearTimeout(late);
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patience;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`the Vault of this test did not ${what} in time`);
    await sleep(50);
  }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
