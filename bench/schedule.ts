/** Arrivals at a constant rate: what an open loop sends, whether or not earlier answers have come. Times in ms from its start. */
export type Schedule = Readonly<{ perSecond: number; seconds: number }>;

/** When arrival number `index`, counted from 0, is due. */
export function dueAt({ perSecond }: Schedule, index: number): number {
  return (index * 1000) / perSecond;
}

/** How many arrivals are due by `elapsed`, never more than the schedule has. */
export function dueBy(schedule: Schedule, elapsed: number): number {
  const due = Math.floor((elapsed * schedule.perSecond) / 1000) + 1;
  return Math.max(0, Math.min(due, arrivals(schedule)));
}

export function arrivals({ perSecond, seconds }: Schedule): number {
  return Math.round(perSecond * seconds);
}
