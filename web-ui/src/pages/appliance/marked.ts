const MARK = /(`[^`]+`|\*[^*]+\*)/;

export interface Piece {
  /** What is typed, what stands on the page, or just words. */
  kind: "typed" | "place" | "words";
  text: string;
}

/** The pieces of a text of ours, in which `this` is to be typed and *this* stands on the page. */
export function marked(text: string): Piece[] {
  return text
    .split(MARK)
    .map((piece, at): Piece => {
      // Every second piece is one that was marked.
      if (at % 2 === 0) {
        return { kind: "words", text: piece };
      }
      return { kind: piece.startsWith("`") ? "typed" : "place", text: piece.slice(1, -1) };
    })
    .filter((piece) => piece.text !== "");
}
