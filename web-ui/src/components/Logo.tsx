import icon from "../icon.svg";
import { useProgram } from "../program";

export function Logo() {
  const program = useProgram();
  return (
    <span className="flex shrink-0 items-center gap-2 text-base font-semibold">
      <img src={icon} alt="" width={26} height={26} />
      Holdfast
      {program === "relay" && <span className="font-normal text-soft">relay</span>}
    </span>
  );
}
