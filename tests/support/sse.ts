/** One event of a stream, as a browser would hand it out. */
export interface ServerSentEvent {
  id: string;
  event: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into it as it likes
  data: any;
}

/** Reads a stream of Server-Sent Events as the standard says, comments left out. Strict where we promise more. */
export async function* eventsOf(response: Response): AsyncGenerator<ServerSentEvent> {
  for await (const block of blocksOf(response)) {
    const fields = block.split("\n").filter((line) => !line.startsWith(":"));
    if (fields.length === 0 || fields[0]!.startsWith("retry: ")) continue;
    const [id, event, data, ...rest] = fields.map((line) => line.slice(line.indexOf(": ") + 2));
    if (fields.map((line) => line.split(":")[0]).join() !== "id,event,data" || rest.length > 0)
      throw new Error(`not an event of ours: ${block}`);
    yield { id: id!, event: event!, data: JSON.parse(data!) };
  }
}

/** What stands between empty lines. */
export async function* blocksOf({ body }: Response): AsyncGenerator<string> {
  let text = "";
  for await (const part of body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    yield* blocks;
  }
  if (text !== "") throw new Error(`a stream that ends in the middle of ${JSON.stringify(text)}`);
}

export async function allEvents(response: Response): Promise<ServerSentEvent[]> {
  return await Array.fromAsync(eventsOf(response));
}

/** The next event. The stream stays open. */
export async function next(events: AsyncGenerator<ServerSentEvent>): Promise<ServerSentEvent> {
  const { value, done } = await events.next();
  if (done) throw new Error("the stream has ended");
  return value;
}

/** An event in a few words. */
export function brief({ event, data }: ServerSentEvent): string {
  const { attempt, at: _, state, outcome, percent, message, chunk } = data;
  return [attempt, event, state, outcome, percent, message, chunk].filter((word) => word != null).join(" ");
}
