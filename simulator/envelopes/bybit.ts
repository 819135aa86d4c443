import { ok } from "../refusal.ts";
import type { Answer } from "../refusal.ts";

export const refuse = (retCode: number, retMsg: string): Answer =>
  ok({ retCode, retMsg, result: {}, retExtInfo: {} });

export const result = (result: unknown, nowMs: number): Answer =>
  ok({ retCode: 0, retMsg: "OK", result, retExtInfo: {}, time: nowMs });
