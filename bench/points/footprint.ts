import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findPlace } from "../../src/db/embedded/place.ts";
import type { Figure, Section } from "../figures.ts";
import { readInstalled } from "../installed.ts";
import { descendantBytes, residentBytes } from "../memory.ts";
import { startService } from "../servers.ts";

/** After its start a process gives memory back for a while. */
const idleMs = 10_000;
const root = join(import.meta.dirname, "../..");

/** What `npm ci && npm start` takes: the service with its own PostgreSQL, started, and left alone. */
export async function measureFootprint(): Promise<Section> {
  const folder = await mkdtemp(join(tmpdir(), "keyhold-bench-idle-"));
  const { home } = await findPlace(folder);
  try {
    return { title: "Footprint", figures: [...(await measureStarts(folder)), ...(await measureInstall())] };
  } finally {
    await rm(home, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureStarts(folder: string): Promise<readonly Figure[]> {
  const first = await startAndLeave(folder, 0);
  const second = await startAndLeave(folder, idleMs);
  return [
    { name: "first_start_ms", text: "first start, database made, until ready", value: first.startMs },
    { name: "start_ms", text: "next start, until ready", value: second.startMs },
    { name: "idle_service_bytes", text: "idle service, resident", value: second.service },
    { name: "idle_postgres_bytes", text: "its PostgreSQL, proportional set size", value: second.postgres },
  ];
}

async function startAndLeave(folder: string, milliseconds: number) {
  await using server = await startService({ KEYHOLD_FOLDER: folder });
  await sleep(milliseconds);
  const service = await residentBytes(server.pid);
  return { startMs: server.startMs, service, postgres: await descendantBytes(server.pid) };
}

async function measureInstall(): Promise<readonly Figure[]> {
  const { all, production } = await readInstalled(root);
  return [
    { name: "install_production_packages_count", text: "packages, to run", value: production.packages },
    { name: "install_production_bytes", text: "  their files", value: production.bytes },
    { name: "install_packages_count", text: "packages, with those for development", value: all.packages },
    { name: "install_bytes", text: "  their files", value: all.bytes },
  ];
}
