/** One user turn that asks for an answer without thinking, as the official encoding writes it (evals spec 4.4). */
export const chatTurn = (text: string): string =>
  `<｜begin▁of▁sentence｜><｜User｜>${text}<｜Assistant｜></think>`;
