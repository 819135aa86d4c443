import { Refused, ok } from "../refusal.ts";
import type { Answer } from "../refusal.ts";
import type { PrivateRoute } from "../venue.ts";

export const refuse = (status: number, code: string, msg: string): Answer => ({
  status,
  body: { code, msg, requestTime: 0, data: null },
});

export const success = (data: unknown): Answer => ok({ code: "00000", msg: "success", requestTime: 0, data });

const wrongMode = {
  classic: refuse(400, "40084", "You are in Classic Account mode"),
  unified: refuse(400, "40085", "You are in Unified Account mode"),
} as const;

/** The classic and the unified interface each refuse the other kind of account. */
export const inMode =
  (mode: keyof typeof wrongMode, answer: PrivateRoute["answer"]): PrivateRoute["answer"] =>
  (call) => {
    const actual = call.account.unified ? "unified" : "classic";
    if (actual !== mode) throw new Refused("unknown_path", wrongMode[actual]);
    return answer(call);
  };
