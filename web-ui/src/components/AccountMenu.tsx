/** Who is logged in, how times and colours are shown, and the way out. */
import * as Menu from "@radix-ui/react-dropdown-menu";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Check, ChevronDown, KeyRound, LogOut, Scale } from "lucide-react";
import { useState } from "react";

import { apiUrl, demand } from "../api/client";
import { setMe } from "../api/queries";
import type { Me } from "../api/types";
import { PasswordForm } from "../pages/PasswordForm";
import { usePreferences, type Theme } from "../preferences";
import { zoneAbbreviation, zoneName, type Zone } from "../time";
import { ROLE_TEXT } from "../words";
import { buttonClass } from "./Button";
import { Dialog } from "./Dialog";
import { useNotice } from "./Notices";

const THEMES: { value: Theme; text: string }[] = [
  { value: "system", text: "As the system" },
  { value: "dark", text: "Dark" },
  { value: "light", text: "Light" },
];

export function AccountMenu({ me }: { me: Me }) {
  const { theme, setTheme, zone, setZone } = usePreferences();
  const [changing, setChanging] = useState(false);
  const tell = useNotice();
  const client = useQueryClient();
  const logout = useMutation({
    mutationFn: () => demand("POST", apiUrl("/auth/logout")),
    onSuccess: () => setMe(client, null),
    onError: (error) => tell(error.message),
  });
  const zones: { value: Zone; text: string }[] = [
    { value: "local", text: `This browser (${zoneName("local")})` },
    { value: "utc", text: "UTC" },
  ];
  return (
    <>
      {/* Not modal: Radix locks the scrolling with an inline style, which the content security policy refuses. */}
      <Menu.Root modal={false}>
        <Menu.Trigger className={buttonClass("quiet", "max-w-full")} data-testid="account-menu">
          <span className="text-xs" title="Times are shown in this zone">
            {zoneAbbreviation(zone, new Date())}
          </span>
          <span className="truncate text-ink">{me.username}</span>
          <ChevronDown size={16} aria-hidden className="shrink-0" />
        </Menu.Trigger>
          <Menu.Content align="end" sideOffset={6} className="panel z-30 min-w-60 p-1.5 shadow-2xl">
            <p className="px-2 py-1 text-xs text-soft">{ROLE_TEXT[me.role]}</p>
            <Menu.Separator className="my-1 border-t border-line" />
            <Choices label="Times" value={zone} options={zones} onChange={setZone} />
            <Menu.Separator className="my-1 border-t border-line" />
            <Choices label="Colours" value={theme} options={THEMES} onChange={setTheme} />
            <Menu.Separator className="my-1 border-t border-line" />
            <Menu.Item className={ITEM} onSelect={() => setChanging(true)}>
              <KeyRound size={16} aria-hidden /> Change password
            </Menu.Item>
            <Menu.Item className={ITEM} asChild>
              <a href="/licences.txt" target="_blank" rel="noreferrer">
                <Scale size={16} aria-hidden /> Licences
              </a>
            </Menu.Item>
            <Menu.Item className={ITEM} onSelect={() => logout.mutate()} data-testid="logout">
              <LogOut size={16} aria-hidden /> Log out
            </Menu.Item>
          </Menu.Content>
      </Menu.Root>
      {changing && (
        <Dialog title="Change password" onClose={() => setChanging(false)}>
          <PasswordForm
            username={me.username}
            onDone={() => {
              setChanging(false);
              tell("The password is changed.");
            }}
          />
        </Dialog>
      )}
    </>
  );
}

const ITEM = `control flex items-center gap-2 px-2 outline-none select-none cursor-pointer data-[highlighted]:bg-raised`;

interface ChoicesProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; text: string }[];
  onChange: (value: T) => void;
}

function Choices<T extends string>({ label, value, options, onChange }: ChoicesProps<T>) {
  return (
    <Menu.RadioGroup value={value}>
      <Menu.Label className="px-2 py-1 text-xs text-soft">{label}</Menu.Label>
      {options.map((option) => (
        <Menu.RadioItem
          key={option.value}
          value={option.value}
          className={ITEM}
          onSelect={(event) => {
            // Stays open, so that the effect is seen beside the choice.
            event.preventDefault();
            onChange(option.value);
          }}
        >
          <span className="w-4">
            <Menu.ItemIndicator>
              <Check size={16} aria-hidden className="text-accent" />
            </Menu.ItemIndicator>
          </span>
          {option.text}
        </Menu.RadioItem>
      ))}
    </Menu.RadioGroup>
  );
}
