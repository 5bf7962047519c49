/** The frame around every page: name, navigation (below the page on a phone) and the menu of the person. */
import { Link } from "@tanstack/react-router";
import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

import { useChangeEvents } from "../api/events";
import type { Me } from "../api/types";
import { AccountMenu } from "./AccountMenu";
import { Logo } from "./Logo";

export interface NavItem {
  to: string;
  text: string;
  /** Instead of the text where there is little room. */
  short?: string;
  icon: LucideIcon;
  /** Only where there is room: on a phone another page leads there. */
  wide?: boolean;
}

interface ShellProps {
  me: Me;
  nav: readonly NavItem[];
  children: ReactNode;
}

export function Shell({ me, nav, children }: ShellProps) {
  useChangeEvents();
  return (
    <>
      <a
        href="#content"
        className="panel fixed top-2 left-2 z-40 -translate-y-20 px-3 py-2 focus-visible:translate-y-0"
      >
        Skip to content
      </a>
      <header className="sticky top-0 z-20 border-b border-line bg-panel">
        <div className="mx-auto flex h-14 max-w-6xl items-center gap-6 px-4 md:px-6">
          <Logo />
          <nav aria-label="Pages" className={NAV}>
            {nav.map((item) => (
              <NavLink key={item.to} {...item} />
            ))}
          </nav>
          <div className="ml-auto min-w-0">
            <AccountMenu me={me} />
          </div>
        </div>
      </header>
      {children}
    </>
  );
}

/** One list of links: in the header where there is room, else fixed to the bottom, in reach of a thumb. */
const NAV = `fixed inset-x-0 bottom-0 z-20 flex justify-around border-t border-line bg-panel
  pb-[env(safe-area-inset-bottom)] lg:static lg:justify-start lg:gap-1 lg:border-0 lg:pb-0`;

function NavLink({ to, text, short = text, icon: Icon, wide = false }: NavItem) {
  return (
    <Link
      to={to}
      activeOptions={{ exact: to === "/", includeSearch: false }}
      data-testid={`nav-${text.toLowerCase()}`}
      className={`group min-w-0 flex-1 flex-col items-center gap-0.5 rounded-lg px-0.5 py-2 text-[0.6875rem] text-soft
        hover:text-ink aria-[current=page]:font-medium aria-[current=page]:text-ink lg:flex lg:flex-none lg:flex-row
        lg:gap-2 lg:px-2 lg:text-sm lg:aria-[current=page]:bg-raised ${wide ? "hidden" : "flex"}`}
    >
      <Icon size={18} aria-hidden className="group-aria-[current=page]:text-accent" />
      <span className="lg:hidden">{short}</span>
      <span className="hidden lg:inline">{text}</span>
    </Link>
  );
}
