import type { Figure, Section } from "../figures.ts";
import type { Installation } from "../installation.ts";
import { type Call, type ClosedLoopResult, runClosedLoop } from "../load.ts";
import { type Server, settingsFor, startBareRoute, startService } from "../servers.ts";

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
    const start = async (starting: () => Promise<Server>): Promise<string[]> => {
      const started = await Promise.all(Array.from({ length: processes }, starting));
      return started.map((server) => servers.use(server).origin);
    };
    const bare = await start(() => startBareRoute(installation));
    const service = await start(() => startService(settingsFor(installation)));
    figures.push(...(await measureProcesses({ bare, service, calls, seconds })));
  }
  return { title: "Maximum throughput, closed loop, driver on the same machine", figures };
}

type Setting = Readonly<{
  bare: string[];
  service: string[];
  calls: readonly Call[];
  seconds: number;
}>;

async function measureProcesses({ bare, service, calls, seconds }: Setting): Promise<readonly Figure[]> {
  const run = (origins: string[], connections: number, asked: readonly Call[]) =>
    runClosedLoop({
      origins,
      calls: [...asked],
      connections,
      warmUpSeconds,
      seconds: seconds - warmUpSeconds,
    });
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

function describePair(
  processes: number,
  connections: number,
  reveal: ClosedLoopResult,
  bare: ClosedLoopResult,
): readonly Figure[] {
  const key = `${processes}p_${connections}c`;
  const text = `${connections} connections, ${plural(processes)}`;
  return [
    { name: `reveal_${key}_per_s`, text: `reveal, ${text}`, value: reveal.perSecond },
    { name: `reveal_${key}_p99_ms`, text: "  P99", value: reveal.p99Ms },
    { name: `reveal_${key}_errors_count`, text: "  errors", value: reveal.errors },
    { name: `bare_${key}_per_s`, text: `bare route, ${text}`, value: bare.perSecond },
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
