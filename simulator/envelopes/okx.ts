import { ok } from "../refusal.ts";
import type { Answer } from "../refusal.ts";

export const refuse = (status: number, code: string, msg: string): Answer => ({
  status,
  body: { code, msg, data: [] },
});

export const data = (...data: readonly unknown[]): Answer => ok({ code: "0", msg: "", data });
