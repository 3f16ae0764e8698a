"""The website's usage logs, generated: who came, searched, clicked and bought, day by day."""

NAME = "web_logs"
TABLES = ("users", "sessions", "searches", "clicks", "purchases")
