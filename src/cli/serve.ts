import type { Command } from "commander";

export function addServeCommand(program: Command): void {
  program
    .command("serve")
    .description("run the service; its settings come from the environment")
    .action(async () => {
      const { serve } = await import("../main.ts");
      await serve();
    });
}
