import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Of one server, by its first port. A listener's port for traffic between servers is by default the one after its own. */
export const portsOf = (first: number) =>
  ({ api: first, cluster: first + 1, metrics: first + 2, unused: first + 3 }) as const;

/**
 * First ports for so many servers. Below those that the system gives to whoever asks, so that the port of a server that was killed
 * is still there when it starts again.
 */
export async function choosePorts(count: number): Promise<readonly number[]> {
  const chosen: number[] = [];
  while (chosen.length < count) {
    const first = randomInt(3000, 3276) * 10;
    if (!chosen.includes(first) && (await findTaken([first])) === null) chosen.push(first);
  }
  return chosen;
}

/** A port among those of these servers that another program has, or null. */
export async function findTaken(firsts: readonly number[]): Promise<number | null> {
  for (const port of firsts.flatMap((first) => Object.values(portsOf(first))))
    if (!(await isFree(port))) return port;
  return null;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  const listening = await once(server, "listening").then(
    () => true,
    () => false,
  );
  if (listening) {
    server.close();
    await once(server, "close");
  }
  return listening;
}
