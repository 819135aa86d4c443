/** Jobs that have nothing to do with the attacks, by the rounds that ended well; rotations are what one of the attacks delays. */
export async function readJobRuns(url: string): Promise<ReadonlyMap<string, number>> {
  const runs = [
    ...(await read(url)).matchAll(/^keyhold_job_runs_total\{job="([^"]+)",outcome="ok"\} (\d+)$/gm),
  ];
  return new Map(
    runs.flatMap(([, job = "", count]) => (attacked.has(job) ? [] : [[job, Number(count)] as const])),
  );
}

/** Venue processes that were replaced because they no longer turned; 0 where a version does not count them. */
export async function readStalls(url: string): Promise<number> {
  const stalls = (await read(url)).matchAll(
    /^keyhold_venue_processes_replaced_total\{reason="stalled"\} (\d+)$/gm,
  );
  return [...stalls].reduce((sum, [, count]) => sum + Number(count), 0);
}

const attacked = new Set(["begin-rotations", "rotate-at-venues"]);

async function read(url: string): Promise<string> {
  return (await fetch(url)).text();
}
