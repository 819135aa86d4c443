import { settingsFor, type Installation } from "../../testkit/embedded-installation.ts";
import { addTimes, cpuUs, descendantCpuUs } from "../cpu.ts";
import type { Figure, Section } from "../figures.ts";
import { type Call, type ClosedLoopResult, runClosedLoop } from "../load.ts";
import { type Server, startBareRoute, startService } from "../servers.ts";

const warmUpSeconds = 3;
const connectionCounts = [16, 64, 128];
/** Where one tenant alone is asked for: every request waits for the same chain of the record. */
const connectionsOfOneTenant = 64;

/** As many retrievals as the machine can do, with the driver on it, beside as many requests of the bare route. */
export async function measureThroughput(
  installation: Installation,
  calls: readonly Call[],
  seconds: number,
): Promise<Section> {
  const figures: Figure[] = [];
  for (const processes of [1, 2]) {
    await using servers = new AsyncDisposableStack();
    const start = async (starting: () => Promise<Server>): Promise<readonly Server[]> => {
      const started = await Promise.all(Array.from({ length: processes }, starting));
      return started.map((server) => servers.use(server));
    };
    const bare = await start(() => startBareRoute(installation));
    const service = await start(() => startService(settingsFor(installation)));
    figures.push(...(await measureProcesses({ installation, bare, service, calls, seconds })));
  }
  return { title: "Maximum throughput, closed loop, driver on the same machine", figures };
}

type Setting = Readonly<{
  installation: Pick<Installation, "postmaster">;
  bare: readonly Server[];
  service: readonly Server[];
  calls: readonly Call[];
  seconds: number;
}>;

/** What was answered, and the processor time of the machine that one answer took. */
type Measured = ClosedLoopResult & Readonly<{ cpu: Readonly<Record<CpuOf, number | null>> }>;
type CpuOf = "service" | "postgres" | "driver";

async function measureProcesses(setting: Setting): Promise<readonly Figure[]> {
  const { bare, service, calls } = setting;
  const run = (servers: readonly Server[], connections: number, asked: readonly Call[]) =>
    measureRun(setting, servers, connections, asked);
  const figures: Figure[] = [];
  const processes = service.length;
  for (const connections of connectionCounts) {
    const ground = await run(bare, connections, calls);
    const reveal = await run(service, connections, calls);
    figures.push(...describePair(processes, connections, reveal, ground));
  }
  const ofOne = calls.filter(({ token }) => token === calls[0]?.token);
  const { perSecond, errors } = await run(service, connectionsOfOneTenant, ofOne);
  const key = `reveal_one_tenant_${processes}p_${connectionsOfOneTenant}c` as const;
  const text = `one tenant alone, ${connectionsOfOneTenant} connections, ${plural(processes)}`;
  return [
    ...figures,
    { name: `${key}_per_s`, text: `reveal, ${text}`, value: perSecond },
    { name: `${key}_errors_count`, text: `  errors`, value: errors },
  ];
}

async function measureRun(
  { installation, seconds }: Setting,
  servers: readonly Server[],
  connections: number,
  calls: readonly Call[],
): Promise<Measured> {
  const spent = async () => ({
    service: addTimes(await Promise.all(servers.map(({ pid }) => cpuUs(pid)))),
    postgres: await descendantCpuUs(installation.postmaster),
  });
  const origins = servers.map(({ origin }) => origin);
  const before = await spent();
  const result = await runClosedLoop({
    origins,
    calls: [...calls],
    connections,
    warmUpSeconds,
    seconds: seconds - warmUpSeconds,
  });
  const after = await spent();
  const each = (now: number | null, then: number | null) =>
    now === null || then === null ? null : (now - then) / result.answered;
  return {
    ...result,
    cpu: {
      service: each(after.service, before.service),
      postgres: each(after.postgres, before.postgres),
      driver: result.driverUs / result.answered,
    },
  };
}

function describePair(
  processes: number,
  connections: number,
  reveal: Measured,
  bare: Measured,
): readonly Figure[] {
  const key = `${processes}p_${connections}c`;
  const text = `${connections} connections, ${plural(processes)}`;
  return [
    { name: `reveal_${key}_per_s`, text: `reveal, ${text}`, value: reveal.perSecond },
    { name: `reveal_${key}_p99_ms`, text: "  P99", value: reveal.p99Ms },
    { name: `reveal_${key}_errors_count`, text: "  errors", value: reveal.errors },
    {
      name: `reveal_${key}_service_cpu_us`,
      text: "  processor time each, service",
      value: reveal.cpu.service,
    },
    { name: `reveal_${key}_postgres_cpu_us`, text: "    PostgreSQL", value: reveal.cpu.postgres },
    { name: `reveal_${key}_driver_cpu_us`, text: "    driver", value: reveal.cpu.driver },
    { name: `bare_${key}_per_s`, text: `bare route, ${text}`, value: bare.perSecond },
    {
      name: `bare_${key}_service_cpu_us`,
      text: "  processor time each, its process",
      value: bare.cpu.service,
    },
    {
      name: `reveal_to_bare_${key}_ratio`,
      text: "  reveal / bare",
      value: reveal.perSecond / bare.perSecond,
    },
  ];
}

function plural(processes: number): string {
  return processes === 1 ? "1 process" : `${processes} processes`;
}
