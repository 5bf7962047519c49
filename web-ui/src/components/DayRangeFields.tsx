import type { Day } from "../time";
import { SelectField, TextField } from "./Field";

/** Which camera, and which days. */
export interface DayRange {
  /** Its id; empty: all of them. */
  camera: string;
  first: Day;
  last: Day;
}

interface DayRangeFieldsProps {
  cameras: { id: string; name: string }[];
  today: Day;
  value: DayRange;
  onChange: (value: DayRange) => void;
}

/** The fields that ask for a camera and a range of days that are not to come. */
export function DayRangeFields({ cameras, today, value, onChange }: DayRangeFieldsProps) {
  return (
    <>
      <SelectField
        label="Camera"
        value={value.camera}
        onChange={(event) => onChange({ ...value, camera: event.target.value })}
      >
        <option value="">All cameras</option>
        {cameras.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </SelectField>
      <div className="grid grid-cols-2 gap-3">
        <TextField
          label="First day"
          type="date"
          required
          max={value.last}
          value={value.first}
          onChange={(event) => onChange({ ...value, first: event.target.value })}
        />
        <TextField
          label="Last day"
          type="date"
          required
          min={value.first}
          max={today}
          value={value.last}
          onChange={(event) => onChange({ ...value, last: event.target.value })}
        />
      </div>
    </>
  );
}
